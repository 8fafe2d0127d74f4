CREATE DATABASE IF NOT EXISTS {database}_staging
COMMENT 'Rows that a sink puts back into the tables wait here until their partition is attached. Empty but during a repair';
