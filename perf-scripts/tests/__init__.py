"""Tests of what the measuring scripts share."""
