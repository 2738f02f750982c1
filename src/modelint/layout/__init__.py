"""The layout engine: tracked models, built in the project's own Python, against their committed manifests."""
