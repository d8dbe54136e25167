"""`make bench`: what a request costs, beside bare Flask routes on the same server."""
