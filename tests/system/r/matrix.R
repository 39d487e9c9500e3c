# The files of a .mtx.zip, unzipped into a folder, with nothing but the Matrix package. Prints one line of JSON.
library(Matrix)

folder <- commandArgs(trailingOnly = TRUE)[1]
at <- function(name) file.path(folder, name)

counts <- readMM(gzfile(at("matrix.mtx.gz")))
features <- read.delim(gzfile(at("features.tsv.gz")), header = FALSE)
barcodes <- readLines(gzfile(at("barcodes.tsv.gz")))
metadata <- read.delim(gzfile(at("metadata.tsv.gz")), row.names = 1)
dimnames(counts) <- list(features$V1, barcodes)

cat(jsonlite::toJSON(list(
  genes = rownames(counts), samples = colnames(counts), library_sizes = colSums(counts),
  described = rownames(metadata), cell_types = metadata$cell_type_ontology_id
)))
