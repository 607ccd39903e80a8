"""The pages that show both apps."""
