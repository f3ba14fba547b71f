CREATE TABLE queuack_retention (status VARCHAR, seconds DOUBLE)
