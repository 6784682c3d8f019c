#!lua
-- Take one change off the work stream and put its deliveries where retries wait, in one step: whoever does it first does it alone, and a
-- worker that dies before or after leaves nothing half done (catalogue Q2, Q10).
--
-- KEYS  1 work stream   2 due (sorted set)   3 pending (hash)   4 ages (sorted set)        all of one hash tag
-- ARGV  1 the entry's id in the work stream
--       2 the time since which somebody waits, ms
--       then for each delivery: its id, its record, when it is due, ms
-- RESULT nil: another worker has moved it. Else an array: 1 for each delivery that is new, 0 for one that waits here already

if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
  return false
end
local created = {}
for i = 3, #ARGV, 3 do
  local new = redis.call('HSETNX', KEYS[3], ARGV[i], ARGV[i + 1])
  if new == 1 then
    redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i])
    redis.call('ZADD', KEYS[4], ARGV[2], ARGV[i])
  end
  created[#created + 1] = new
end
return created
