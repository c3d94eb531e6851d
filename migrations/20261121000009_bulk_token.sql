-- What a token for an action on many relays was answered with: a repeated request gets the first answer.
CREATE UNIQUE INDEX operator_action_by_token ON operator_action (json_extract(detail, '$.token'))
    WHERE resource_type = 'relays';
