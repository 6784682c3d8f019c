#!lua
-- Let a dead letter wait for delivery again, once.
--
-- KEYS  1 due (sorted set)   2 pending (hash)   3 ages (sorted set)   4 dead letters (stream)        all of one hash tag
-- ARGV  1 the dead letter's id in the stream   2 the delivery's id   3 its record   4 when it is due, ms
--       5 the time since which somebody waits, ms
-- RESULT 1, or 0 when the dead letter is no longer there

if redis.call('XDEL', KEYS[4], ARGV[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[2])
return 1
