#!lua
-- Take the sealed address out of a recipient's record for good, and keep the rest: what they said still holds under the keyed hash.
--
-- KEYS  1 state bucket (hash: digest -> record)
-- ARGV  1 digest, 10 bytes     2 erased_ms, decimal: an address stated up to then does not come back by a replay
-- RESULT 1 when something was known of the recipient, else 0; then too the time is kept
--
-- The time is brought back to ten minutes ahead of the server's: a clock that is wrong by years would keep later addresses out for years.
--
-- A record that is the same afterwards is written again: erasing is rare. The layout of a record: app/store/codec.py.

local VERSION, EXTENDED, LONG, ERASED = 1, 2, 2, 32768 -- LONG: added to a version with a u64 sequence
local AHEAD = 600000 -- ms
local SHORT = 4294967295 -- the greatest u32

local time = redis.call('TIME')
local latest = time[1] * 1000 + math.floor(time[2] / 1000) + AHEAD
local sequence, entries, erased = 0, '', math.min(tonumber(ARGV[2]), latest)
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record then
  local version, first = struct.unpack('>B', record)
  if version > LONG and version <= LONG + EXTENDED then
    version = version - LONG
    sequence, first = struct.unpack('>I8', record, first)
  else
    sequence, first = struct.unpack('>I4', record, first)
  end
  if version == EXTENDED then
    local size
    size, first = struct.unpack('>I2', record, first)
    if size >= ERASED then
      size = size - ERASED
      local before
      before, first = struct.unpack('>I6', record, first)
      erased = math.max(erased, before)
    end
    first = first + size
  elseif version ~= VERSION then
    return redis.error_reply('SIGNOFF record version ' .. version .. ' is not known to this script')
  end
  entries = string.sub(record, first)
end
local long = sequence > SHORT
local head = struct.pack(long and '>BI8I2I6' or '>BI4I2I6', EXTENDED + (long and LONG or 0), sequence, ERASED, erased)
redis.call('HSET', KEYS[1], ARGV[1], head .. entries)
return record and 1 or 0
