-- The image's own variable makes the database `sentinel`, the review queue's; Dagster has one of its own.
CREATE DATABASE dagster OWNER sentinel;
