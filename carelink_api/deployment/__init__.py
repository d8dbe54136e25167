"""What the production shape (`docker-compose.yml`) gives to its services: settings and secrets."""
