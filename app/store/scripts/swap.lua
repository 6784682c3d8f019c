#!lua
-- Replace a field of a hash, if it is still what the caller read.
--
-- KEYS  1 hash
-- ARGV  1 field   2 what it was   3 what it is to be
-- RESULT 1, or 0 when somebody else was faster

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
