#!lua
-- Add a subscription group to a brand, or replace one, if its id and name are free and not too many groups are active: in one step, so that
-- two creators at once can make neither a 51st active group nor two of one name.
--
-- KEYS  1 groups of the brand (hash: group key -> record, a JSON object with id, folded, archived)
-- ARGV  1 the group's key               2 the record to write
--       3 the record as the caller read it, or empty to add
--       4 how many may be active        5 how many may exist, archived ones too
-- RESULT a word: ok; then nothing was written: id, name (taken), active, all (too many), moved (no longer as the caller read it)

local field, after, before, most_active, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local present = redis.call('HGET', KEYS[1], field)
if before == '' and present then
  return 'id'
end
if before ~= '' and present ~= before then
  return 'moved'
end

local group, active, all = cjson.decode(after), 0, 0
local others = redis.call('HGETALL', KEYS[1])
for i = 1, #others, 2 do
  if others[i] ~= field then
    local other = cjson.decode(others[i + 1])
    if other.folded == group.folded then
      return 'name'
    end
    all = all + 1
    if not other.archived then
      active = active + 1
    end
  end
end
if before == '' and all >= most then
  return 'all'
end
-- Only who becomes active can be one too many: with more active groups than allowed, all of them can still be edited.
local was_active = before ~= '' and not cjson.decode(before).archived
if not group.archived and not was_active and active >= most_active then
  return 'active'
end
redis.call('HSET', KEYS[1], field, after)
return 'ok'
