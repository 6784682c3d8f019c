#!lua
-- Forget a brand of which nothing is set aside any more.
--
-- KEYS  1 the brand's stream of what was set aside   2 such brands (hash)        all of one hash tag
-- ARGV  1 the brand
-- RESULT 1 when it was forgotten, 0 when something is still there

if redis.call('XLEN', KEYS[1]) > 0 then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
