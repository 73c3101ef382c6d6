/* The stop, from the kernel's signals to rini's exit, for spin (https://spinroot.com). tests/proof/model/mod.rs runs it.
 *
 * What is modelled:
 *
 * - The kernel. Standard signals are pending or not: two of a kind are one. The lowest number is taken first, so SIGCHLD (17)
 *   waits behind SIGTERM (15). Many ends, stops and continuations make one SIGCHLD. Zombies are reaped in any order. A stopped
 *   process acts on nothing but SIGCONT and SIGKILL. Orphans are given to rini alive, of which no signal tells, or as zombies.
 * - rini's loop (src/supervise/runtime.rs): one wait for a signal or a deadline, a look at its children only behind a SIGCHLD, or
 *   at the beginning, or when the child is gone; a limit on how many are reaped at once (BATCH, here 2 of the 256); a look
 *   before a stop signal is acted on. Every system call is a step by itself, and anything may happen between two of them.
 * - rini's decisions: supervisor.pml, which is held against the machine in Rust, step by step.
 * - An adversary, `World`: sends signals, stops, continues and kills the child, forks, makes orphans and zombies, at any
 *   moment or never. The child ends by itself at any moment, or never. It may be deaf to stop signals, or react at last.
 * - Every policy: after-exit, delay, grace period, pause, PID 1 or subreaper; chosen at the start.
 *
 * What is not: a terminal and job control; rewritten signals; real-time signals and their queues; process groups; who sent a
 * signal; processes that rini may not kill, or that another namespace's have put in (`docker exec`); a kernel that refuses a
 * wait, or interrupts one; an orphan that comes to a subreaper alive, after the child's end, without the end of one of its
 * children: of that no signal tells, and rini sees it when there is another reason to look. Time is no
 * number: a period that has begun is over at some later moment.
 *
 * Bounds: WORLD processes beside the child at one time, as many as there are over time; LOW signals below SIGCHLD
 * and STOPS stops of the child, wherever they fall. Where there is no end of those signals a stop need not end either (-DFLOOD): the
 * kernel hands out the lowest number first, so somebody who sends SIGUSR1 without a pause keeps SIGTERM and SIGCHLD from ever
 * being taken.
 *
 * What has to hold: the assertions, and the two formulas at the end. The `#ifdef`s are mistakes, as in supervisor.pml.
 */
#include "supervisor.pml"

#ifndef WORLD
#define WORLD 2
#endif
#ifndef LOW
#define LOW 2
#endif
#ifndef STOPS
#define STOPS 1
#endif
#ifndef BATCH
#define BATCH 2
#endif

#define bit(signal) (1 << signal)

/* The answer goes on, and ends with FINISH. */
#ifdef ANSWER_IS_CUT_OFF
#define has_finish false
#else
#define has_finish (phase == END)
#endif

/* The kernel, on rini's side. */
int pending; /* rini's signals, a bit each. */
bool over; /* rini has exited. */
bool pid1;

/* The child, and how it is. */
mtype = { NOBODY, RUNNING, HALTED, ZOMBIE, REAPED }
mtype child;
mtype child_status;
mtype news; /* What waitid(2) has not told yet: STOPPED, CONTINUED, or 0. */
bool heard; /* A stop signal has come to it. */
bool deaf; /* And it will never act on that. */
bool killed; /* rini has sent it SIGKILL. It may live on for a while, or for ever, in an uninterruptible system call. */

/* The others: below the child or each other, rini's children, and rini's zombies. Of rini's children some have been
 * told what the rest is told. */
byte below, adopted, told, zombies;
#define others (below + adopted + zombies)

/* What only the onlookers know. */
bool asleep; /* rini waits for a signal, and has nothing else to do. */
int owed; /* Signals that rini has taken and the child has not been sent. */
bool owed_cont; /* The child is to be asked to end now, and is stopped. */
bool was_over; /* The child had ended, and nobody else, when rini woke up at the end of its period. */
bool began; /* The grace period has begun. */
bool expired; /* It is over. */
bool asked_rest, killed_rest; /* The leftover processes got a stop signal, or SIGKILL. */

/* Bounds. */
byte low = LOW, stops = STOPS;

inline raise(signal) {
    pending = pending | bit(signal)
}

/* A child of rini's has ended. Its children are rini's now; the SIGCHLD is behind that. */
inline adopt() {
    adopted = adopted + below;
    below = 0;
    raise(CHLD)
}

inline child_ends(how) {
    child = ZOMBIE;
    child_status = how;
    news = 0;
    heard = false;
    owed = 0;
    owed_cont = false;
    adopt()
}

/* One of the rest that is rini's child. */
inline other_ends() {
    if
    :: told > 0 -> told--
    :: told < adopted
    fi;
    adopted--;
    zombies++;
    was_over = false;
    if
    :: child == REAPED || child == NOBODY || child == ZOMBIE -> adopt()
    :: else -> raise(CHLD)
    fi
}

inline child_continues() {
    child = RUNNING;
    news = CONTINUED;
    owed_cont = false;
    raise(CHLD)
}

/* kill(2) of the child's pid. A zombie has it still; when it is reaped the pid may be anybody's. */
inline kill_child(signal) {
    assert(child == RUNNING || child == HALTED || child == ZOMBIE);
    owed = owed & ~bit(signal);
    if
    :: child == ZOMBIE
    :: child == HALTED && signal == CONT -> child_continues()
    :: else -> heard = !deaf && (heard || begins_stop(signal))
    fi
}

/* The lowest number first. */
inline take() {
    if
    :: pending & bit(INT) -> taken = INT
    :: else ->
        if
        :: pending & bit(USR1) -> taken = USR1
        :: else ->
            if
            :: pending & bit(TERM) -> taken = TERM
            :: else -> taken = (pending & bit(CHLD) -> CHLD : CONT)
            fi
        fi
    fi;
    pending = pending & ~bit(taken);
    if
    :: taken != CHLD && (child == RUNNING || child == HALTED) -> owed = owed | bit(taken)
    :: else
    fi
}

/* A stop has one deadline: the grace period begins for the first and the only time. */
inline see_period() {
    if
    :: begun && stop == ASKED ->
        assert(!began);
        began = true
    :: else
    fi
}

inline choose() {
    if
    :: after = EXIT; pid1 = true
    :: after = TERMINATE
    :: after = WAIT
    fi;
    if
    :: after != EXIT -> pid1 = true
    :: true
    fi;
    if
    :: has_delay = true
    :: has_delay = false
    fi;
    /* Who is not deaf may still take as long as he likes: so it is only without a grace period that this matters. */
    if
    :: has_grace = true; deaf = true
    :: has_grace = false
    fi;
    if
    :: pause = true; child = NOBODY; child_status = ZERO
    :: child = RUNNING
    fi;
    /* From before rini's exec, and of that no signal tells any more. */
    if
    :: zombies = 1
    :: true
    fi;
    start_supervisor()
}

/* Tells the supervisor; the clock is looked at where something depends on it. */
inline tell(then) {
    next = then;
    at = (period == NEVER -> TELL : AT_CLOCK)
}

inline loop() {
    /* Whatever was taken has been passed on, or is held back, or the child is gone; and a child that was stopped has been
     * continued. */
    assert(owed == 0 || stop == HELD && owed == bit(by));
    assert(!owed_cont || stop == HELD);
    more = false;
    stopping = false;
    looked = false;
    at = (look || !mine -> AT_REAP : AT_WAIT)
}

/* waitid(2) with WNOHANG takes any zombie. */
inline reap() {
    if
#ifndef NO_BATCH
    /* As in `Runtime::receive`, where the answer is not looked at: the SIGCHLD, or the look, is still to come. */
    :: n == BATCH ->
#ifndef MORE_IS_FORGOTTEN
        more = more || !stopping && !looked;
#endif
        n = 0;
        at = LOOKED
#endif
    :: n < BATCH && child == ZOMBIE ->
        child = REAPED;
        mine = false;
        event = ENDED;
#ifdef STATUS_IS_LOST
        how = SEVEN;
#else
        how = child_status;
#endif
        another();
        tell(at)
    :: n < BATCH && zombies > 0 ->
        zombies--;
        another()
    :: n < BATCH && child != ZOMBIE && zombies == 0 && (mine || adopted > 0) ->
        n = 0;
        at = LOOKED;
        catch_up()
    :: n < BATCH && child != ZOMBIE && zombies == 0 && !mine && adopted == 0 ->
        n = 0;
        event = NO_CHILDREN;
        tell(LOOKED)
    fi
}

inline another() {
#ifndef NO_BATCH
    n++;
#endif
#ifdef ONE_PER_SIGCHLD
    n = 0;
    at = LOOKED
#else
    at = AT_REAP
#endif
}

/* A subreaper tells those that it has been given since what the others were told. */
inline catch_up() {
    if
#ifndef NO_CATCH_UP
    :: !mine && !pid1 && stop == ASKED -> told = adopted
    :: !mine && !pid1 && stop == ESCALATED -> kill_rest()
#endif
    :: else
    fi
}

/* sigtimedwait(2): a signal comes before the end of the time, and with `more` there is no time. */
inline wait() {
    if
    :: pending -> take()
    :: else -> taken = 0
    fi;
    look = more || taken == CHLD;
    owed_cont = child == HALTED && (begins_stop(taken) || stop == HELD && due);
    was_over = due && child == ZOMBIE && zombies == 0;
#ifdef NO_LOOK_IN_DELAY
    at = RECEIVED
#else
    at = (stop == HELD -> AT_STOPS : RECEIVED)
#endif
}

/* Before a stop signal is acted on, and before somebody is killed, all that has become of the child is to be known. */
inline received() {
#ifndef NO_LOOK_BEFORE_STOP
    if
    :: begins_stop(taken) && !stopping ->
        stopping = true;
        at = AT_REAP
#ifndef NO_LOOK_BEFORE_KILL
    :: due && !begins_stop(taken) && !looked ->
        looked = true;
        at = AT_REAP
#endif
    :: else -> at = TAKEN
    fi
#else
    at = TAKEN
#endif
}

/* waitid(2) for the child's pid, with WSTOPPED and WCONTINUED. */
inline look_at_stops(then) {
    if
    :: mine && news != 0 ->
        event = news;
        news = 0;
        tell(then)
    :: else -> at = then
    fi
}

/* Kills those that are children of rini's now. Their own children come to rini then. One of them may be in an
 * uninterruptible system call, and end later or never. */
inline kill_rest() {
    killed_rest = true;
    n = adopted;
    do
    :: n > 0 ->
        other_ends();
        n--
    :: n > 0 -> n = 0
    :: n == 0 -> break
    od
}

/* Each action is a system call. */
inline carry_out() {
    if
    :: action[i] == FORWARD -> kill_child(with[i])
    :: action[i] == CONTINUE -> kill_child(CONT)
    :: action[i] == KILL ->
        assert(child == RUNNING || child == HALTED || child == ZOMBIE);
        assert(expired);
        assert(!was_over);
        killed = true;
        if
        :: child != ZOMBIE -> child_ends(KILLED)
        :: true
        fi
    :: action[i] == ASK_REST || action[i] == FORWARD_TO_REST ->
        assert(!mine);
        asked_rest = true;
        told = (pid1 -> 0 : adopted)
    :: action[i] == KILL_REST ->
        assert(!mine && expired && (asked_rest || killed));
        kill_rest()
    :: action[i] == FINISH ->
        assert(!over);
        if
        /* The child cannot be killed, or it has ended just now. It needs no signal more. */
        :: mine ->
            assert(status == KILLED && killed && expired);
            owed = 0;
            owed_cont = false
        :: else ->
            assert(child == REAPED || child == NOBODY);
            assert(status == child_status)
        fi;
        /* At the deadline rini kills all leftover processes before it exits. */
        assert(stop != ESCALATED || mine || after == EXIT || killed_rest || adopted == 0);
        over = true
    /* The signal is kept, or ends here; or rini says something. */
    :: action[i] == HOLD || action[i] == DISCARD || action[i] == GIVE_UP
    fi;
    if
    /* The end of PID 1 is the end of all; and a subreaper that finds no leftover process has nothing to wait for. */
    :: action[i] == KILL_REST && (pid1 || adopted == 0 && zombies == 0) && !has_finish ->
        i = 0;
        event = HELPLESS;
        at = TELL
    :: else ->
        i++;
        at = (i < actions -> AT_ACTION : TOLD)
    fi
}

/* Where rini is: before a system call, or, from `LOOP` on, thinking. */
mtype = { AT_REAP, AT_WAIT, AT_STOPS, AT_LATE_STOPS, AT_CLOCK, AT_ACTION, LOOP, LOOKED, RECEIVED, TAKEN, TELL, TOLD }

/* A step is a system call, and all that rini makes of its answer until the next one. */
active proctype Rini() {
    mtype at = LOOP;
    mtype next; /* Where to go on when the supervisor has been told something. */
    mtype event, how;
    byte told_of; /* The event's signal. */
    byte taken; /* The signal that was taken, or 0 for none. */
    byte n; /* How many children have been looked at. */
    byte i; /* How many actions have been carried out. */
    bool look, more, mine, stopping;
    bool looked; /* For the end of a period. */

    atomic {
        choose();
        mine = !pause;
#ifndef NO_FIRST_LOOK
        look = true
#endif
    };
    do
    :: atomic {
        !over ->
        if
        :: at == AT_REAP -> reap()
        :: at == AT_WAIT && (pending || more || due) -> wait()
        :: at == AT_STOPS -> look_at_stops(RECEIVED)
        :: at == AT_LATE_STOPS -> look_at_stops(AT_WAIT)
        :: at == AT_CLOCK -> at = TELL
        :: at == AT_ACTION -> carry_out()
        :: at == LOOP
        fi;
        do
        :: at == LOOP -> loop()
#ifdef NO_LOOK_FOR_LATE_STOPS
        :: at == LOOKED -> at = (stopping -> AT_STOPS : (looked -> RECEIVED : AT_WAIT))
#else
        :: at == LOOKED ->
            if
            :: stopping || looked && (stop == ASKED || stop == ESCALATED) -> at = AT_STOPS
            :: !stopping && !looked && (stop == ASKED || stop == ESCALATED) -> at = AT_LATE_STOPS
            :: else -> at = (looked -> RECEIVED : AT_WAIT)
            fi
#endif
        :: at == RECEIVED -> received()
        :: at == TAKEN ->
            event = (taken == 0 || taken == CHLD -> TICK : SIGNAL);
            told_of = (taken == CHLD -> 0 : taken);
            taken = 0;
            tell(LOOP)
        :: at == TELL ->
            decide(event, told_of, how);
            see_period();
            told_of = 0;
            event = 0;
            how = 0;
            at = (actions > 0 -> AT_ACTION : TOLD)
        :: at == TOLD ->
            no_answer();
            i = 0;
            at = next;
            next = 0
        :: else -> break
        od;
        asleep = at == AT_WAIT && !more
    }
    :: over -> break
    od
}

/* rini never sleeps beside a zombie, nor beside somebody who has yet to be told: there is none, or the SIGCHLD is pending
 * that wakes it. */
#define forgotten_zombie (zombies > 0 || child == ZOMBIE)
#define forgotten_other (!pid1 && phase == REST && stop == ASKED && told < adopted)

/* Who does what to whom, at any moment or never. */
active proctype World() {
end:
    do
    :: over -> break
    :: atomic { !over && low > 0 && !(pending & bit(INT)) -> low--; raise(INT) }
    :: atomic { !over && low > 0 && !(pending & bit(TERM)) -> low--; raise(TERM) }
#ifdef FLOOD
    :: atomic { !over && !(pending & bit(USR1)) -> raise(USR1) }
#else
    :: atomic { !over && low > 0 && !(pending & bit(USR1)) -> low--; raise(USR1) }
#endif
    :: atomic { !over && !(pending & bit(CONT)) -> raise(CONT) }
    :: atomic {
        !over && child == RUNNING && !killed && stops > 0 ->
        stops--;
        child = HALTED;
        news = STOPPED;
        raise(CHLD)
    }
    :: atomic { !over && child == HALTED && !killed -> child_continues() }
    :: atomic { !over && child == RUNNING && !killed -> child_ends(SEVEN) }
    :: atomic { !over && (child == RUNNING || child == HALTED) -> child_ends(KILLED) }
    /* A fork; of what remains only as often as `low` allows, or it would never be none. */
    :: atomic { !over && child == RUNNING && !killed && others < WORLD -> below++ }
    :: atomic { !over && child != RUNNING && adopted > 0 && others < WORLD && low > 0 -> low--; below++ }
    /* An orphan: its parent has ended, and somebody else has reaped that. */
    :: atomic { !over && below > 0 && (pid1 || child == RUNNING) -> below--; adopted++ }
    :: atomic { !over && below > 0 -> below-- }
    :: atomic { !over && below > 0 -> below--; zombies++; was_over = false; raise(CHLD) }
    :: atomic { !over && adopted > 0 -> other_ends() }
    /* Nothing. */
    :: atomic { !over -> assert(!(asleep && !(pending & bit(CHLD)) && (forgotten_zombie || forgotten_other))) }
    od
}

/* What a child does in the end that is not deaf and has heard a stop signal. */
active proctype Reaction() {
end:
    do
    :: over -> break
    :: atomic { !over && child == RUNNING && heard && !killed -> child_ends(SEVEN) }
    od
}

/* The end of a period comes. */
active proctype Clock() {
end:
    do
    :: over -> break
    :: atomic {
        !over && period != NEVER && !due ->
        due = true;
        expired = expired || stop == ASKED
    }
    /* And is not seen for long: rini was frozen. */
    :: atomic { !over && due && !late && stop == ASKED -> late = true }
    od
}

/* A stop ends: with a grace period in any case, and without one where the child acts on it. With `wait` the rest may take its
 * time. */
#define a_stop ((pending & (bit(TERM) | bit(INT))) != 0)
#define may_last (!has_grace && (deaf || after == WAIT && child == REAPED || after == WAIT && pause))
ltl every_stop_ends { [] (a_stop -> <> (over || may_last)) }

/* When the child has ended rini does too: at once, or, with `terminate`, when the rest has had its time. */
ltl every_end_is_the_end { [] (child == ZOMBIE -> <> (over || after == WAIT)) }

/* When the grace period is over rini ends, even if no process can be killed. */
ltl every_deadline_is_the_end { [] (expired -> <> over) }
