#!lua
-- Note a failed attempt: the new record, and when the next attempt is due. What has been finished or erased meanwhile does not come back.
--
-- KEYS  1 due (sorted set)   2 pending (hash)        of one hash tag
-- ARGV  1 the delivery's id   2 its record   3 when it is due, ms
-- RESULT 1, or 0 when the delivery no longer waits

if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
return 1
