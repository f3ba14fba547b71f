"""What tests of queuack use; shipped, imported by no other room."""
