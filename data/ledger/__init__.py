"""The ledger: the one path in, the wallet, price lists, and the triggers that guard them."""
