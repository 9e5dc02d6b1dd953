"""What work will take: by its URL, and by how wrong predictions were lately."""
