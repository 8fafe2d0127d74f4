ALTER TABLE {database}.profile_ops
    MODIFY COLUMN IF EXISTS op Enum8('set' = 1, 'set_once' = 2, 'add' = 3, 'append' = 4, 'unset' = 5, 'concat' = 6, 'prepend' = 7, 'union' = 8, 'remove' = 9, 'clear' = 10) COMMENT 'what was done to it',
    COMMENT COLUMN IF EXISTS name 'property; of clear, which is about all of them, empty',
    COMMENT COLUMN IF EXISTS slot 'set, unset and clear: zero, because only the latest matters; others: the event';
