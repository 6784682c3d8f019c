#!lua
-- Add to the counts of one brand and day, with a bound on the names of each kind.
--
-- KEYS  1 tally (hash: kind and name -> count)
-- ARGV  1 the most names of one kind   2 for how long the day is kept, seconds
--       then for each count: its kind, one letter; its name; how much to add
-- RESULT 1
--
-- The hash holds beside the counts one field `#` and the kind: how many names of that kind there are.

local most = tonumber(ARGV[1])
for i = 3, #ARGV, 3 do
  local kind, name, much = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if name ~= '' and redis.call('HEXISTS', KEYS[1], kind .. name) == 0 then
    if tonumber(redis.call('HGET', KEYS[1], '#' .. kind) or '0') >= most then
      name = ''
    else
      redis.call('HINCRBY', KEYS[1], '#' .. kind, 1)
    end
  end
  redis.call('HINCRBY', KEYS[1], kind .. name, much)
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
