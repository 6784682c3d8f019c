#!lua flags=no-writes
-- Tell the time of the server that holds a key.
--
-- KEYS  1 any key
-- RESULT UTC milliseconds since 1970

local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
