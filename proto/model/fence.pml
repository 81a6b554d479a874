/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROTOCOL.md, section 6: an account moves between agents and between replicas of Clouddriver that share
 * one database. Each replica writes in transactions of its own, may stand still in the middle of one, and goes
 * on later. Whoever has the newest epoch is the only writer.
 */
#define REPLICAS 3

byte assigned;          /* the last epoch given, in the database */
byte writer;            /* epoch of the last commit that changed rows */
byte moves;

/* One assignment of the account: an epoch, then some commits. */
active [REPLICAS] proctype replica() {
	byte epoch, commits;

	atomic { assigned++; epoch = assigned }
	do
	:: commits < 2 ->
		/* the transaction: rows are prepared, and here it may stand still for any time */
		skip;
		atomic {        /* the commit locks the assignment's row and looks at its epoch */
#ifndef BROKEN_FENCE
			if
			:: assigned != epoch -> break   /* fenced: nothing is written */
			:: else
			fi;
#endif
			assert(epoch >= writer);        /* never after a newer one */
			assert(epoch == assigned);      /* never beside a newer one */
			writer = epoch;
			commits++
		}
	:: commits == 2 -> break
	od
}
