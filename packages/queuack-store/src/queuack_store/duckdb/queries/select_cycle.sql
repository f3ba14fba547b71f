SELECT cycle FROM queuack_meta
