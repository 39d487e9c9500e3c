"""What a webhook is: its keys and signatures, where it may go, when it is tried again. Knows no rows."""
