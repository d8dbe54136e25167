"""Units, and who is on shift there: whom one may hand over to."""
