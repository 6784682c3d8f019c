#!lua
-- Write what a store is to remember, unless it remembers something else already: in one step, so that of two processes that start at the
-- same time with different keys one is refused, and writes nothing.
--
-- KEYS  1 hash
-- ARGV  field, value, field, value ...
-- RESULT 1 when all of it stands there now, 0 when a field held another value: then nothing was written

for i = 1, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[i])
  if stored and stored ~= ARGV[i + 1] then
    return 0
  end
end
for i = 1, #ARGV, 2 do
  redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 1
