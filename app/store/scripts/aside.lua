#!lua
-- Set one change of an unknown brand aside, so that it waits and holds up nobody: from the work stream to the stream of its brand.
--
-- KEYS  1 work stream   2 the brand's stream of what was set aside   3 such brands (hash)        all of one hash tag
-- ARGV  1 the entry's id in the work stream   2 the brand   then the entry's fields and values
-- RESULT 1, or 0: another worker has taken it

if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 3))
redis.call('HSET', KEYS[3], ARGV[2], 1)
return 1
