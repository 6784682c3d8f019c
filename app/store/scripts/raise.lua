#!lua
-- Raise the number above which the sequences of a partition's changes go on; it never falls.
--
-- KEYS  1 epoch (number)
-- ARGV  1 the new epoch, decimal
-- RESULT 1, or 0 when it was as high already

if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
