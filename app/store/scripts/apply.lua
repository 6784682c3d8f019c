#!lua
-- Apply one statement to one recipient: a last-writer-wins register for each group, compared, written and announced in one step.
-- The rules, and why two times are kept, stand in docs/adr/0003-statement-register.md; tests/support/memory_store.py says the same in Python.
--
-- KEYS  1 state bucket (hash: digest -> record)   2 work stream   3 history stream   4 epoch (number)        all of one hash tag
-- ARGV  1 digest, 10 bytes                        2 at_ms, decimal
--       3 '1' unsubscribe, '0' resubscribe        4 source, decimal 1..63
--       5 group keys, 4 bytes each, big-endian; four zero bytes stand for all mail
--       6 expected sequence, decimal, or empty    7 the statement's bytes, stored in both streams as they are
--       8 the sealed address that the record is to keep, or empty
--       9 '1' the statement has its home in another data centre, else '0'
--      10 how newly it was said: '2' now, '1' it waited and is told for the first time, '0' it is told again, or dated by a list
-- RESULT one string: u8 verdict (0 applied, 1 conflict: nothing was written, 2 applied against a time that lies ahead), u64 sequence, then
--        the 4-byte keys whose state changed
--
-- What is told for the first time wins over a time that lies ahead of the server's, and what is said now wins also when its own time lies
-- behind it: one of the clocks was wrong (docs/adr/0045-the-time-of-a-wrong-clock.md). A resubscribe does so only if its page saw the
-- state as it is.
--
-- Undoing an import (sources 8 and 10) overrules an unsubscribe of which imports alone have told, and speaks for the time of its line:
-- `since` is that time and `last` lies behind every import's word. So an import's line that is told again loses, and what the recipient
-- said after the line wins whenever it arrives.
--
-- The sequence goes on above the epoch, which a restore raises (docs/adr/0046-sequences-go-on-after-a-restore.md).
--
-- Of several sealed addresses the record keeps the greatest by bytes, which begin with the id of the sealing key: any order, the same end.
-- One that was stated before the recipient was erased does not come back (docs/adr/0021-sealed-addresses-in-the-state.md).
--
-- What has its home elsewhere is work for the worker, which ships it, also when nothing changed here: there it may (ADR 22).
--
-- The first line makes the server refuse the whole script beforehand when it is out of memory, read-only or short of replicas.
-- Times are compared as numbers: 48 bits fit a double, and strings would compare by the server's locale.

local VERSION, EXTENDED, LONG, ENTRY, ERASED = 1, 2, 2, 17, 32768 -- LONG: added to a version with a u64 sequence; ERASED: bit 15 of a length
local LATE, NOW, SLACK = 1, 2, 60000 -- SLACK: ms that an edge's clock may lie behind the server's
local SHORT = 4294967295 -- the greatest u32
local IMPORT, UNDONE = 8, 10 -- sources, of `app.core.model`
local UNSUBSCRIBED, CONTESTED, SOURCE, IMPORTED = 1, 2, 4, 128 -- the flags byte: bit 0, bit 1, the source above them, bit 7

local at, leaving, source, expected = tonumber(ARGV[2]), ARGV[3] == '1', tonumber(ARGV[4]), tonumber(ARGV[6])
local elsewhere, recency = ARGV[9] == '1', tonumber(ARGV[10])
local targets = {}
for i = 1, #ARGV[5], 4 do
  targets[#targets + 1] = string.sub(ARGV[5], i, i + 3)
end

local function greater(one, other) -- by bytes: Lua's own comparison goes by the server's locale
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then
      return a > b
    end
  end
  return #one > #other
end

local sequence, order, entries, sealed, erased = 0, {}, {}, '', nil
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record then
  local version, first
  version, sequence, first = struct.unpack('>BI4', record)
  if version > LONG and version <= LONG + EXTENDED then
    version, sequence, first = struct.unpack('>BI8', record)
    version = version - LONG
  end
  if version == EXTENDED then
    local size
    size, first = struct.unpack('>I2', record, first)
    if size >= ERASED then
      size = size - ERASED
      erased, first = struct.unpack('>I6', record, first)
    end
    sealed, first = string.sub(record, first, first + size - 1), first + size
  elseif version ~= VERSION then
    return redis.error_reply('SIGNOFF record version ' .. version .. ' is not known to this script')
  end
  for i = first, #record, ENTRY do
    local group, flags, since, last = struct.unpack('>c4BI6I6', record, i)
    order[#order + 1] = group
    entries[group] = {
      unsubscribed = flags % 2 == 1,
      contested = flags % SOURCE >= CONTESTED,
      source = math.floor(flags % IMPORTED / SOURCE),
      imported = flags >= IMPORTED,
      since = since,
      last = last,
    }
  end
end

local function by_wrong_clock(last) -- asks for the time only where the order of times would make this statement lose
  if recency < LATE then
    return false
  end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  return last > now or (recency == NOW and at < now - SLACK)
end

local function undoes(entry) -- an import's word, whenever it was said
  return source == UNDONE and expected and entry.imported
end

local function outlives(entry) -- what was said after the line that was undone, by the recipient
  return leaving and source ~= IMPORT and entry.source == UNDONE and at > entry.since
end

-- A resubscribe that names the sequence its page saw: refused when it would overrule something the page had not seen.
if expected and not leaving then
  for _, group in ipairs(targets) do
    local entry = entries[group]
    local late = entry and entry.unsubscribed and at <= entry.last and not undoes(entry) and not by_wrong_clock(entry.last)
    if entry and entry.unsubscribed and (expected ~= sequence or late) then
      return struct.pack('>BI8', 1, sequence)
    end
  end
  if expected ~= sequence then
    if elsewhere then
      redis.call('XADD', KEYS[2], '*', 's', ARGV[7], 'c', '', 'n', string.format('%.0f', sequence))
    end
    return struct.pack('>BI8', 0, sequence)
  end
end

local changed, verdict = {}, 0
for _, group in ipairs(targets) do
  local entry = entries[group]
  if not entry then
    order[#order + 1] = group
    entries[group] = { unsubscribed = leaving, contested = false, source = source, since = at, last = at }
    entries[group].imported = leaving and source == IMPORT
    if leaving then
      changed[#changed + 1] = group
    end
  elseif entry.unsubscribed == leaving then
    entry.imported = entry.imported and source == IMPORT
    if at > entry.last then
      entry.last, entry.source = at, source
    elseif at == entry.last then
      entry.source = math.min(entry.source, source)
    end
    if at < entry.since and not entry.contested then
      entry.since = at
    end
  else
    entry.contested = true
    if at > entry.last or (at == entry.last and leaving) then
      entry.unsubscribed, entry.source, entry.since, entry.last = leaving, source, at, at
      entry.imported = leaving and source == IMPORT
      changed[#changed + 1] = group
    elseif undoes(entry) then
      entry.unsubscribed, entry.source, entry.since, entry.last = false, source, at, entry.last + 1
      entry.imported = false
      changed[#changed + 1] = group
    elseif outlives(entry) then
      entry.unsubscribed, entry.source, entry.since = true, source, at
      changed[#changed + 1] = group
    elseif (leaving or expected) and by_wrong_clock(entry.last) then
      -- `last` stays, so that the overruled statement, told again, loses: to an unsubscribe by the tie, else by a millisecond.
      entry.unsubscribed, entry.source, entry.since = leaving, source, at
      entry.last = leaving and entry.last or entry.last + 1
      entry.imported = leaving and source == IMPORT
      changed[#changed + 1], verdict = group, 2
    elseif (at > entry.since or (at == entry.since and leaving)) and not (source == IMPORT and entry.source == UNDONE) then
      entry.since = entry.last
    end
  end
end
if #changed > 0 then
  local epoch = redis.call('GET', KEYS[4])
  sequence = (epoch and math.max(sequence, tonumber(epoch)) or sequence) + 1
end

if at > (erased or -1) and greater(ARGV[8], sealed) then
  sealed = ARGV[8]
end
local long = sequence > SHORT
local form = ((erased or sealed ~= '') and EXTENDED or VERSION) + (long and LONG or 0)
local packed = { struct.pack(long and '>BI8' or '>BI4', form, sequence) }
if erased then
  packed[2] = struct.pack('>I2I6', ERASED + #sealed, erased) .. sealed
elseif sealed ~= '' then
  packed[2] = struct.pack('>I2', #sealed) .. sealed
end
for _, group in ipairs(order) do
  local entry = entries[group]
  local flags = (entry.unsubscribed and UNSUBSCRIBED or 0) + (entry.contested and CONTESTED or 0) + (entry.imported and IMPORTED or 0)
    + entry.source * SOURCE
  packed[#packed + 1] = struct.pack('>c4BI6I6', group, flags, entry.since, entry.last)
end
local written = table.concat(packed)
if written ~= record then
  redis.call('HSET', KEYS[1], ARGV[1], written)
end

local names, number = table.concat(changed), long and string.format('%.0f', sequence) or sequence
if elsewhere or #changed > 0 then
  redis.call('XADD', KEYS[2], '*', 's', ARGV[7], 'c', names, 'n', number)
end
if #changed > 0 then
  redis.call('XADD', KEYS[3], '*', 's', ARGV[7], 'c', names, 'n', number)
end
return struct.pack('>BI8', verdict, sequence) .. names
