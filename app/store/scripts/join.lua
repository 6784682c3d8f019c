#!lua
-- Give a sign of life and learn who else is alive, by the server's clock alone.
--
-- KEYS  1 workers (sorted set: name -> last sign, ms)
-- ARGV  1 the worker's name   2 for how long a sign holds, ms
-- RESULT an array: the names of the living

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
