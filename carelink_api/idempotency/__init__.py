"""A request that creates something and is sent again: it creates once, and is answered twice."""
