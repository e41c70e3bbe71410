"""Rows, pairs and labelled answers as token ids, packed and shared between processes."""
