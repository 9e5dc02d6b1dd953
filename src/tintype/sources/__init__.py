"""Sources: bindings and bytes, fetched from http, local files and object stores, kept on disk while they are fresh."""
