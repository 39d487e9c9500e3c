# What an R client does with the API: the example query of a model, asked, polled, and read as data frames.
# Rscript predict.R MODEL_ID; GENEQUEUE_URL and GENEQUEUE_API_KEY. Prints what it got as one line of JSON.
library(httr)
library(jsonlite)

model_id <- commandArgs(trailingOnly = TRUE)[1]
base_url <- Sys.getenv("GENEQUEUE_URL")
with_key <- add_headers(Authorization = paste("Bearer", Sys.getenv("GENEQUEUE_API_KEY")))

# Lists of objects become data frames, as R clients read them.
read <- function(response) {
  stop_for_status(response)
  fromJSON(content(response, "text", encoding = "UTF-8"), simplifyDataFrame = TRUE)
}
fetch <- function(path) read(GET(paste0(base_url, path), with_key))

models <- fetch("/api/models")$models
query <- fetch(paste0("/api/models/", model_id, "/example-query"))$example_query
query$seed <- 3
query$source <- "rsynthbio"

submitted <- read(POST(
  paste0(base_url, "/api/models/", model_id, "/predict"), with_key, content_type_json(),
  body = toJSON(query, auto_unbox = TRUE), encode = "json"
))
repeat {
  payload <- fetch(paste0("/api/model-queries/", submitted$modelQueryId, "/status"))
  if (payload$status %in% c("ready", "failed")) break
  Sys.sleep(0.2)
}
if (payload$status == "failed") stop(payload$message)

answer <- read(GET(payload$downloadUrl))  # without the key
outputs <- answer$outputs
counts <- if (is.null(outputs[["counts"]])) outputs$decoder_sample$counts else outputs$counts
expression <- do.call(rbind, counts)
colnames(expression) <- answer$gene_order

cat(toJSON(list(
  models = models$model_id,
  rows = nrow(expression),
  genes = ncol(expression),
  integers = is.integer(expression),
  in_order = !is.unsorted(colnames(expression)),
  library_sizes = rowSums(expression),
  metadata = colnames(outputs$metadata),
  tissues = outputs$metadata$tissue_ontology_id,
  latents = colnames(outputs$latents),
  sexes = if (is.null(outputs$classifier_probs)) NULL else rowSums(outputs$classifier_probs$sex)
), digits = NA))
