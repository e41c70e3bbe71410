"""What a recipe will do before a device is touched: steps, memory, starting point, gap proof."""
