"""Files: a report object in, bytes or a stream out."""
