"""What a recipe's runs came to, as the pages and the one-file report show it."""
