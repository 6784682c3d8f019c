#!lua
-- Make a delivery a dead letter, once.
--
-- KEYS  1 due (sorted set)   2 pending (hash)   3 ages (sorted set)   4 dead letters (stream)        all of one hash tag
-- ARGV  1 the delivery's id   2 its record   3 now, ms
-- RESULT 1, or 0 when the delivery no longer waits

if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('XADD', KEYS[4], '*', 'i', ARGV[1], 'r', ARGV[2], 't', ARGV[3])
return 1
