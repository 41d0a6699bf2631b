"""Settles rows for which no notification came: decides when to look into S3, looks, and acts on what is found."""
