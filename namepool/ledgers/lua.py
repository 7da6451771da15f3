r"""The steps of a Redis ledger, each as one script of Redis.

All keys of a namespace have one hash tag, so a cluster keeps them on one node. These keys are:

- ``claims``, a hash: key of a name → claim
- ``sessions``, a hash: id → session
- ``seen``, a sorted set: id → moment of the last renewal. A moment of 0 marks a session that has
  begun to lose its names. Such a session must not go on
- ``pruned``, a sorted set: the same for sessions that have lost all names but those of identities
- ``identities``, a hash: identity → key of its name
- ``of:<id>`` and ``ids:<id>``, sets: the keys of the names that a session holds, without and with
  an identity
- ``walks``, a hash: walk → next position; ``spares:<walk>``, a set: positions that nobody used
- ``turn``, a hash: in ``at`` the moment from which on a session may retire names

A claim is a text with the fields session, token, moment, kept ("1" or "0"), identity and name. A
session is a text with the fields ended ("1" or "0"), moment, host, process, place and parent. A
unit separator stands between two fields.

A script cuts each text that it returns. A text that is cut is still longer than a reader takes.
"""

from __future__ import annotations

SEPARATOR = "\x1f"

COMMON = ("claims", "sessions", "seen", "pruned", "identities")
"""The first keys of every script."""

_BASE = """
local CLAIMS, SESSIONS, SEEN, PRUNED, IDENTITIES, OF, IDS = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local moment = string.format('%.6f', now)
local function call(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    error(answer.err .. ' (at the key ' .. key .. ')', 0)
  end
  return answer
end
local function fields(claim)
  local session, token, at, kept, identity, name =
    string.match(claim, '^(.-)\\31(.-)\\31(.-)\\31(.-)\\31(.-)\\31(.*)$')
  if name then
    return session, token, at, kept, identity, name
  end
  return '', '', '', '', '', ''
end
local function cut(text)
  return string.sub(text or '', 1, 3000)
end
local function told(session)
  local about = call('HGET', SESSIONS, session)
  local last = call('ZSCORE', SEEN, session) or call('ZSCORE', PRUNED, session)
  return string.sub(about or '', 1, 20000), last or '0'
end
local function held(key, claim)
  return {'held', cut(key), cut(claim), moment, told(string.match(cut(claim), '^[^\\31]*'))}
end
"""

# The arguments of a script for this session begin with its id, its description, and "1" if it is
# registered already.
_KNOWN = (
    _BASE
    + """
local ME = ARGV[1]
local seen = call('ZSCORE', SEEN, ME)
if ARGV[3] == '1' and (not seen or tonumber(seen) == 0) then
  return {'lost'}
end
"""
)

_NOTED = """
local old = call('HGET', SESSIONS, ME) or ''
local ended, began = string.match(string.sub(old, 1, 60), '^([01])\\31([%d.]+)\\31')
local about = (ended or '0') .. '\\31' .. (began or moment) .. '\\31' .. ARGV[2]
if about ~= old then
  call('HSET', SESSIONS, ME, about)
end
call('ZADD', SEEN, string.format('%.6f', math.max(now, seen or 0)), ME)
local function put(key, token, at, identity, name)
  call('HSET', CLAIMS, key, table.concat({ME, token, at, '0', identity, name}, '\\31'))
  if identity == '' then
    call('SADD', OF, key)
  else
    call('SREM', OF, key)
    call('SADD', IDS, key)
    call('HSET', IDENTITIES, identity, key)
  end
end
local function release(key, by)
  local claim = call('HGET', CLAIMS, key)
  local session, token, at, _, identity, name = fields(claim or '')
  if session ~= ME or (by ~= '' and by ~= token) then
    return
  end
  if identity == '' then
    call('HDEL', CLAIMS, key)
    call('SREM', OF, key)
  else
    call('HSET', CLAIMS, key, table.concat({ME, token, at, '1', identity, name}, '\\31'))
  end
end
"""

_SESSION = _KNOWN + _NOTED

# A server that is out of memory still runs a script whose first write can only free memory. The
# scripts that free names begin with such a write. The scripts that claim names must not.
_FREEING = _KNOWN + "call('ZREM', SEEN, ME)" + _NOTED

# Further arguments: the token, and then by turns a key and its name.
CLAIM = (
    _SESSION
    + """
local mine = ME .. '\\31' .. ARGV[4] .. '\\31'
local ours = {'ok'}
for i = 5, #ARGV, 2 do
  local claim = call('HGET', CLAIMS, ARGV[i])
  if not claim then
    put(ARGV[i], ARGV[4], moment, '', ARGV[i + 1])
  end
  if not claim or string.sub(claim, 1, #mine) == mine then
    ours[#ours + 1] = ARGV[i]
  end
end
return ours
"""
)

# Further keys: the sets of the owner of the name, without and with identities. Further arguments:
# the key, the name, the identity or '', the session before or '', and the owner. The answer is
# 'owner' and its id if the owner is another one.
TAKE = (
    _SESSION
    + """
local key, name, identity, before, owner = unpack(ARGV, 4)
if identity ~= '' then
  local other = call('HGET', IDENTITIES, identity)
  local claim = other and other ~= key and call('HGET', CLAIMS, other)
  if claim and select(5, fields(claim)) == identity then
    return held(other, claim)
  end
end
local claim = call('HGET', CLAIMS, key)
if not claim then
  put(key, '', moment, identity, name)
  return {'ok'}
end
local session, token, at, kept, whose, stored = fields(claim)
local is_ours = session == ME and whose == ''
local is_free = kept == '1' or session == ME or session == before
if not is_ours and not (identity ~= '' and identity == whose and is_free) then
  return held(key, claim)
end
if session ~= ME then
  if session ~= owner then
    return {'owner', cut(session)}
  end
  call('SREM', KEYS[9], key)
  local is_over = call('ZSCORE', PRUNED, owner)
    or string.sub(call('HGET', SESSIONS, owner) or '', 1, 1) == '1'
  if is_over and call('EXISTS', KEYS[8]) == 0 and call('EXISTS', KEYS[9]) == 0 then
    call('HDEL', SESSIONS, owner)
    call('ZREM', SEEN, owner)
    call('ZREM', PRUNED, owner)
  end
end
put(key, token, at, identity ~= '' and identity or whose, stored)
return {'ok'}
"""
)

# Further arguments: the token or '', and then the keys.
RELEASE = (
    _FREEING
    + """
for i = 5, #ARGV do
  release(ARGV[i], ARGV[4])
end
return {'ok'}
"""
)

# A further key: the turn. A further argument: the seconds of a turn, or ''.
RENEW = (
    _FREEING
    + """
if ARGV[4] == '' then
  return {'ok', 0}
end
local at = tonumber(cut(call('HGET', KEYS[8], 'at'))) or 0
if at - ARGV[4] <= now and now < at then
  return {'ok', 0}
end
call('HSET', KEYS[8], 'at', string.format('%.6f', now + ARGV[4]))
return {'ok', 1}
"""
)

# A further key: the walks. Further arguments: the walk and the count. HINCRBY would add to a
# negative position, and would refuse another text without a word about the walk.
ADVANCE = (
    _SESSION
    + """
local at = call('HGET', KEYS[8], ARGV[4]) or '0'
if #at < 16 and string.match(at, '^%d+$') then
  call('HSET', KEYS[8], ARGV[4], string.format('%.0f', at + ARGV[5]))
end
return {'ok', string.sub(at, 1, 60)}
"""
)

# A further key: the spare positions of a walk. A further argument: the count.
SPARES = (
    _SESSION
    + """
local spares = {'ok'}
for _, at in ipairs(call('SPOP', KEYS[8], ARGV[4])) do
  spares[#spares + 1] = string.sub(at, 1, 60)
end
return spares
"""
)

# Further keys: the spare positions of walks. Further arguments: the number of these walks; for each
# of them the number of its positions, and the positions; and then the keys to release.
END = (
    _FREEING
    + """
local at = 5
for i = 1, ARGV[4] do
  for j = at + 1, at + ARGV[at] do
    call('SADD', KEYS[7 + i], ARGV[j])
  end
  at = at + ARGV[at] + 1
end
for i = at, #ARGV do
  release(ARGV[i], '')
end
if call('EXISTS', OF) + call('EXISTS', IDS) == 0 then
  call('HDEL', SESSIONS, ME)
  call('ZREM', SEEN, ME)
else
  call('HSET', SESSIONS, ME, '1' .. string.sub(about, 2))
end
return {'ok'}
"""
)

# Frees some names of dead sessions. Further keys: for each session its two sets. Arguments: the
# seconds that a session must have been silent for, "1" if names of identities are freed, the most
# names to look at, and the sessions. The answer is the number of freed names, and the sessions that
# have more.
FREE = (
    _BASE
    + """
local identities, room, freed, left = ARGV[2] == '1', tonumber(ARGV[3]), 0, {}
local function free(session, set)
  if room <= 0 then
    return
  end
  for _, key in ipairs(call('SPOP', set, room)) do
    local whose, _, _, _, identity = fields(call('HGET', CLAIMS, key) or '')
    room = room - 1
    if whose == session then
      call('HDEL', CLAIMS, key)
      if identity ~= '' and call('HGET', IDENTITIES, identity) == key then
        call('HDEL', IDENTITIES, identity)
      end
      freed = freed + 1
    end
  end
end
for i = 4, #ARGV do
  local session, of, ids = ARGV[i], KEYS[2 * i - 2], KEYS[2 * i - 1]
  local last = call('ZSCORE', SEEN, session) or identities and call('ZSCORE', PRUNED, session)
  if last and room <= 0 then
    left[#left + 1] = session
  elseif last and now - last > tonumber(ARGV[1]) then
    call('ZREM', SEEN, session)  -- first: see above
    call('ZREM', PRUNED, session)
    free(session, of)
    if identities then
      free(session, ids)
    end
    local has_ids = call('EXISTS', ids) == 1
    if call('EXISTS', of) == 1 or (identities and has_ids) then
      call('ZADD', SEEN, 0, session)
      left[#left + 1] = session
    elseif has_ids then
      call('ZADD', PRUNED, last, session)
    else
      call('HDEL', SESSIONS, session)
    end
  end
end
return {freed, left}
"""
)

# -- scripts that only read ---------------------------------------------------------------------

# Argument: the key of a name.
FIND = (
    _BASE
    + """
local claim = call('HGET', CLAIMS, ARGV[1])
return claim and held(ARGV[1], claim)
"""
)

# Argument: an identity.
KEPT = (
    _BASE
    + """
local key = call('HGET', IDENTITIES, ARGV[1])
local claim = key and call('HGET', CLAIMS, key)
return claim and select(5, fields(claim)) == ARGV[1] and held(key, claim)
"""
)

_TELL = """
local sessions, known = {}, {}
local function tell(id)
  local session = string.sub(id, 1, 65)
  if not known[session] then
    known[session] = true
    local about, last = told(session)
    for _, text in ipairs({session, about, last}) do
      sessions[#sessions + 1] = text
    end
  end
end
"""

# Arguments: the cursor and the count. The answer is the next cursor, the time, the sessions of the
# page as by turns id, description and last renewal, and the claims as by turns key and claim.
PAGE = (
    _BASE
    + _TELL
    + """
local page = call('HSCAN', CLAIMS, ARGV[1], 'COUNT', ARGV[2])
local claims = page[2]
for i = 1, #claims, 2 do
  claims[i], claims[i + 1] = cut(claims[i]), cut(claims[i + 1])
  tell(string.match(claims[i + 1], '^[^\\31]*'))
end
return {page[1], moment, sessions, claims}
"""
)

# The same for all sessions.
SESSIONS = (
    _BASE
    + _TELL
    + """
local page = call('HSCAN', SESSIONS, ARGV[1], 'COUNT', ARGV[2])
for i = 1, #page[2], 2 do
  tell(page[2][i])
end
return {page[1], moment, sessions}
"""
)

# Arguments: the seconds of silence, the sessions to skip, their number, and "1" for the sessions
# that have only names of identities, too. The answer is as that of SESSIONS.
OLD = (
    _BASE
    + _TELL
    + """
local skip, count = tonumber(ARGV[2]), tonumber(ARGV[3])
local last = '(' .. string.format('%.6f', now - ARGV[1])
local found = {}
local function look(set)
  local room = skip + count - #found
  for _, session in ipairs(call('ZRANGE', set, '-inf', last, 'BYSCORE', 'LIMIT', 0, room)) do
    found[#found + 1] = session
  end
end
if ARGV[4] == '1' then
  look(PRUNED)
end
look(SEEN)
for i = skip + 1, #found do
  tell(found[i])
end
return {'0', moment, sessions}
"""
)

COUNT = _BASE + "return call('HLEN', CLAIMS)"
