"""The collector: from an HTTP request to records on the stream; says yes only to what the stream holds."""
