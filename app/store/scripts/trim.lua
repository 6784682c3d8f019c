#!lua
-- Forget the oldest part of a history, by the server's own time, but never what a consumer group of it has not read or not acknowledged.
--
-- KEYS  1 history (stream)
-- ARGV  1 for how long changes are kept, ms
-- RESULT how many entries were forgotten

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local function split(id)
  local ms, n = string.match(id, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(n)
end
local time = redis.call('TIME')
local keep_ms, keep_n = math.max(0, time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[1])), 0
local function keep_from(ms, n)
  if ms < keep_ms or (ms == keep_ms and n < keep_n) then
    keep_ms, keep_n = ms, n
  end
end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local facts = {}
  for i = 1, #group, 2 do
    facts[group[i]] = group[i + 1]
  end
  local ms, n = split(facts['last-delivered-id'])
  keep_from(ms, n + 1)
  local oldest = redis.call('XPENDING', KEYS[1], facts['name'])[2]
  if oldest then
    keep_from(split(oldest))
  end
end
return redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-%.0f', keep_ms, keep_n))
