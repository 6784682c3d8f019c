#!lua
-- Put an entry of a stream at its end with other content, if it is still there.
--
-- KEYS  1 stream
-- ARGV  1 the entry's id   2 ... its fields and values
-- RESULT 1, or 0 when somebody else has taken the entry

if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
return 1
