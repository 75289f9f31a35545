"""The calls of the API, one module an area; each route is one call to the gateway, a repository or the store."""
