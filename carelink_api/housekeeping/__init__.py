"""What is done beside the requests: publish, expire, seal, prune; and who has done it last."""
