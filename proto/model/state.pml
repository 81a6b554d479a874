/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROTOCOL.md, sections 4 to 6, as a model for spin: one account with one scope of two keys, a worker, the
 * stream (with the uplink in it) and a plugin with its database. The cluster changes its keys some times;
 * meanwhile worker, stream and plugin fail at any moment. When nothing can happen any more, the rows must
 * be the objects: no update is lost, and no ghost is left.
 *
 * check.sh runs it, and then once for each BROKEN_... below: each of those takes one rule away, and the
 * model must find that out.
 */
#ifndef CHANGES
#define CHANGES 3 /* of the cluster */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#define K      2  /* keys */
#define CREDIT 2  /* deltas that may be unacknowledged */
#define QUEUE  4  /* messages that a direction of the stream holds */

mtype = { OPEN, DELTA, SUMS, BEGIN, PAGE, END, CHECKPOINT, WELCOME, ACK, ANSWER, WANTS, DONE, DOWN };

/* message, epoch, two fields */
chan up = [QUEUE] of { mtype, byte, byte, byte };
chan down = [QUEUE] of { mtype, byte, byte, byte };

/* The cluster: an object is the version of its last change, 0 if it is not there. */
byte object[K];
byte version;                      /* changes so far */
byte log_key[CHANGES + 1], log_object[CHANGES + 1];

/* The worker */
mtype phase;                       /* what it waits for: ANSWER, PAGE (sends pages), DONE; or 0 */
byte epoch;                        /* 0: no Welcome yet */
bool opened;                       /* AccountOpen was sent on this stream */
bool started;                      /* it has listed, or resumed its watch */
bool complete;                     /* the table holds every key */
byte position;                     /* of its watch: changes it has seen */
byte table[K], known_at[K];        /* the object, and the version as of which it is known */
bool dirty[K];
byte unacked[K];                   /* sequence of the last delta of the key, 0: acknowledged */
byte sent, acked;
bool compare;                      /* the sums are still to be claimed */
byte last_checkpoint;              /* position + 1 of the last one in this epoch */
byte listed[K], list_version, page;

/* The plugin: what its open transaction holds, and what is committed */
byte plugin_epoch;                 /* of the stream's account; 0: none */
byte sequence, told;               /* deltas received; acknowledged */
byte row[K], stored[K];
byte checkpoint, stored_checkpoint; /* version + 1, 0: none */
byte last_epoch;                   /* committed at once, always */
bool snapshot, mark[K];
bool uncommitted;

byte faults;

#define some_dirty (dirty[0] || dirty[1])
#ifdef BROKEN_CHECKPOINT /* it says nothing about dirty keys */
#define may_checkpoint true
#else
#define may_checkpoint (!some_dirty)
#endif
#ifdef BROKEN_MARK /* what was written since the begin is not spared */
#define written(k) skip
#else
#define written(k) mark[k] = (mark[k] || snapshot)
#endif
#define in_credit  (sent - acked < CREDIT)

/* -- the worker ------------------------------------------------------------------------------ */

inline send_delta(k) {
	sent++;
	unacked[k] = sent;
	up!DELTA(epoch, k, table[k])
}

/* What is not acknowledged when an epoch ends is dirty. */
inline end_epoch() {
	if :: unacked[0] > 0 -> dirty[0] = true :: else fi;
	if :: unacked[1] > 0 -> dirty[1] = true :: else fi;
	unacked[0] = 0; unacked[1] = 0;
	epoch = 0; opened = false; phase = 0; sent = 0; acked = 0; last_checkpoint = 0; page = 0;
	listed[0] = 0; listed[1] = 0; list_version = 0
}

inline list_all() {
	table[0] = object[0]; table[1] = object[1];
	known_at[0] = version; known_at[1] = version;
	position = version; complete = true
}

/* a: the stored checkpoint; b: whether nothing is stored. Each Welcome begins an epoch, that of a worker that
 * is gone too: what is sent by it comes after our own open, and is of no epoch any more. */
inline on_welcome(e, a, b) {
	end_epoch();
	opened = true;
	epoch = e;
	if
	:: !started && a > 0 ->            /* resume: the table stays incomplete, no sums */
		position = a - 1; started = true; compare = false
	:: !started ->                     /* too old, or none: list */
		list_all(); started = true;
		compare = true;
		if :: b == 1 -> dirty[0] = (table[0] > 0); dirty[1] = (table[1] > 0) :: else fi
	:: started && complete -> compare = true
	:: started && !complete -> skip
	fi
}

inline on_ack(a) {
	if :: a > acked -> acked = a :: else fi;
	if :: unacked[0] <= a -> unacked[0] = 0 :: else fi;
	if :: unacked[1] <= a -> unacked[1] = 0 :: else fi
}

inline on_reply(m, e, a, b) {
	if
	:: m == WELCOME -> on_welcome(e, a, b)
	:: m == DOWN -> end_epoch()
	:: m != WELCOME && m != DOWN && (e != epoch || epoch == 0) -> skip
	:: else ->
		if
		:: m == ACK -> on_ack(a)
		:: m == ANSWER && phase == ANSWER ->
			if
			:: a == 1 -> compare = false; phase = 0
			:: else -> phase = BEGIN
			fi
		:: m == WANTS -> dirty[a] = true
		:: m == DONE && phase == DONE -> phase = 0
		:: else -> skip
		fi
	fi
}

/* The next change of the watch. What a read has told of a later version is not undone. */
inline observe(k) {
	position++;
	k = log_key[position];
	if
	:: complete && known_at[k] >= position -> skip
	:: !complete && known_at[k] >= position && known_at[k] > 0 -> skip
	:: else ->
		table[k] = log_object[position];
		known_at[k] = position;
		if
		:: epoch > 0 && in_credit && !dirty[k] && nfull(up) -> send_delta(k)
		:: dirty[k] = true         /* no stream, no credit, or a bound */
		fi
	fi;
	k = 0
}

inline read_dirty(k) {
	table[k] = object[k];
	known_at[k] = version;
	dirty[k] = false;
	send_delta(k)
}

inline send_page() {
	if
	:: page < K && listed[page] > 0 ->
		if
		:: table[page] == listed[page] && !dirty[page] -> up!PAGE(epoch, page, table[page])
		:: else -> dirty[page] = true; up!PAGE(epoch, page, 0)
		fi;
		page++
	:: page < K && listed[page] == 0 -> page++
	:: page == K -> up!END(epoch, 0, 0); phase = DONE; page = 0; listed[0] = 0; listed[1] = 0
	fi
}

active proctype worker() {
	mtype m; byte e, a, b, k;
end:	do
	:: atomic { down?m(e, a, b) -> on_reply(m, e, a, b); m = 0; e = 0; a = 0; b = 0 }
	:: atomic { !opened && nfull(up) -> opened = true; up!OPEN(0, 0, 0) }
	:: atomic { started && position < version -> observe(k) }
	:: atomic { epoch > 0 && dirty[0] && in_credit && nfull(up) -> read_dirty(0) }
	:: atomic { epoch > 0 && dirty[1] && in_credit && nfull(up) -> read_dirty(1) }
	:: atomic { epoch > 0 && complete && compare && phase == 0 && !some_dirty && nfull(up) ->
		phase = ANSWER; up!SUMS(epoch, table[0], table[1]) }
#ifdef BROKEN_LIST
	/* the list is older than the begin */
	:: atomic { phase == BEGIN && list_version == 0 -> listed[0] = object[0]; listed[1] = object[1]; list_version = 1 }
	:: atomic { phase == BEGIN && list_version == 1 && nfull(up) -> up!BEGIN(epoch, 0, 0); phase = PAGE; list_version = 0 }
#else
	:: atomic { phase == BEGIN && list_version == 0 && nfull(up) -> up!BEGIN(epoch, 0, 0); list_version = 1 }
	:: atomic { phase == BEGIN && list_version == 1 -> listed[0] = object[0]; listed[1] = object[1]; phase = PAGE; list_version = 0 }
#endif
	:: atomic { phase == PAGE && nfull(up) -> send_page() }
	:: atomic { epoch > 0 && started && phase == 0 && !compare && may_checkpoint && last_checkpoint != position + 1 && nfull(up) ->
		last_checkpoint = position + 1; up!CHECKPOINT(epoch, position, 0) }
	od
}

/* -- the plugin ------------------------------------------------------------------------------ */

inline commit() {
	stored[0] = row[0]; stored[1] = row[1];
	stored_checkpoint = checkpoint;
	uncommitted = false
}

inline on_message(m, e, a, b) {
	if
	:: m == OPEN ->
		commit();
		last_epoch++;
		plugin_epoch = last_epoch;
		sequence = 0; told = 0; snapshot = false; mark[0] = false; mark[1] = false;
		down!WELCOME(plugin_epoch, stored_checkpoint, (row[0] == 0 && row[1] == 0))
#ifndef BROKEN_EPOCH
	:: m != OPEN && (e != plugin_epoch || plugin_epoch == 0) -> skip
#endif
	:: else ->
		uncommitted = true;
		if
		:: m == DELTA -> sequence++; row[a] = b; written(a)
		:: m == SUMS -> down!ANSWER(e, (a == row[0] && b == row[1]), 0)
		:: m == BEGIN -> snapshot = true; mark[0] = false; mark[1] = false
		:: m == PAGE ->
			mark[a] = true;
			if :: b > 0 && row[a] != b -> down!WANTS(e, a, 0) :: else fi
		:: m == END ->
			if
			:: snapshot ->
				/* a row that is right is never swept */
				if :: !mark[0] -> assert(row[0] == 0 || row[0] != object[0]); row[0] = 0 :: else fi;
				if :: !mark[1] -> assert(row[1] == 0 || row[1] != object[1]); row[1] = 0 :: else fi
			:: else
			fi;
			snapshot = false; mark[0] = false; mark[1] = false;
			down!DONE(e, 0, 0)
		:: m == CHECKPOINT -> checkpoint = a + 1
		:: else -> skip
		fi
	fi
}

active proctype plugin() {
	mtype m; byte e, a, b;
end:	do
	:: atomic { nfull(down) && nempty(up) -> up?m(e, a, b); on_message(m, e, a, b); m = 0; e = 0; a = 0; b = 0 }
#ifdef BROKEN_ACK
	/* acknowledged before it is committed */
	:: atomic { plugin_epoch > 0 && sequence > told && nfull(down) -> told = sequence; down!ACK(plugin_epoch, told, 0) }
	:: atomic { uncommitted -> commit() }
#else
	:: atomic { uncommitted && nfull(down) -> commit();
		if :: plugin_epoch > 0 && sequence > told -> told = sequence; down!ACK(plugin_epoch, told, 0) :: else fi }
#endif
	od
}

/* -- the cluster and the faults -------------------------------------------------------------- */

active proctype cluster() {
	byte k;
end:	do
	:: atomic { version < CHANGES ->
		if :: k = 0 :: k = 1 fi;
		version++;
		if :: object[k] = version :: object[k] > 0 -> object[k] = 0 fi;
		log_key[version] = k; log_object[version] = object[k];
		k = 0 }
	od
}

/* What is in the stream is lost. The plugin notices, and so does the worker, later: until then it sends on,
 * into the next stream. */
inline cut() {
	do :: up?m(e, a, b) :: empty(up) -> break od;
	do :: down?m(e, a, b) :: empty(down) -> break od;
	m = 0; e = 0; a = 0; b = 0;
	plugin_epoch = 0; sequence = 0; told = 0; snapshot = false; mark[0] = false; mark[1] = false;
	down!DOWN(0, 0, 0)
}

active proctype fault() {
	mtype m; byte e, a, b;
end:	do
	:: atomic { faults < FAULTS -> /* the stream, or the uplink */
		faults++; cut() }
	:: atomic { faults < FAULTS -> /* the plugin: its transaction is rolled back */
		faults++;
		row[0] = stored[0]; row[1] = stored[1]; checkpoint = stored_checkpoint; uncommitted = false;
		cut() }
	:: atomic { faults < FAULTS -> /* the worker: what it has sent, and what it is sent, is still on its way */
		faults++;
		started = false; complete = false; compare = false; position = 0;
		table[0] = 0; table[1] = 0; known_at[0] = 0; known_at[1] = 0;
		end_epoch();
		dirty[0] = false; dirty[1] = false }
	od
}

/* When nobody can do anything more. */
active proctype watcher() {
	timeout -> assert(started && epoch > 0 && epoch == plugin_epoch && !compare && !some_dirty &&
			  position == version && unacked[0] == 0 && unacked[1] == 0);
	assert(row[0] == object[0] && row[1] == object[1]);
	assert(stored[0] == object[0] && stored[1] == object[1])
}
