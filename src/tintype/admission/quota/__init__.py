"""What tenants, keys and clients may have at all: rates, accounts, and leases of accounts that nodes share."""
