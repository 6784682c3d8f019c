#!lua
-- Take the deliveries that are due, and let them be due again later: should the taker die, another one finds them then (catalogue Q2).
--
-- KEYS  1 due (sorted set)   2 pending (hash)   3 ages (sorted set)        all of one hash tag
-- ARGV  1 now, ms   2 when they are due again, ms   3 how many at most
-- RESULT an array: id, record, id, record …, the longest due first

local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
local taken = {}
for _, id in ipairs(ids) do
  local record = redis.call('HGET', KEYS[2], id)
  if record then
    redis.call('ZADD', KEYS[1], ARGV[2], id)
    taken[#taken + 1] = id
    taken[#taken + 1] = record
  else
    redis.call('ZREM', KEYS[1], id)
    redis.call('ZREM', KEYS[3], id)
  end
end
return taken
