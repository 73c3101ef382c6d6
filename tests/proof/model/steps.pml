/* Every step of the supervisor: each event, in each state that any history leads to, before and after a period is over. For
 * a verifier that prints (-DPRINTF): a line a step, which src/supervise/supervisor/tests/model.rs reads.
 */
#include "supervisor.pml"

mtype name;

inline print_state() {
    printf(" "); printm(phase);
    printf(","); printm(stop);
    printf(",%d,", by); printm(period);
    printf(",%d,", child_stopped); printm(status);
    printf(",%d", put_off)
}

inline print_action(n) {
    if
    :: n < actions -> printf(" "); printm(action[n]); printf(",%d", with[n])
    :: else
    fi
}

/* `lateness`: the period is not over, over, or over for long. */
inline step(event, signal, how, lateness) {
    d_step {
        printf("STEP "); printm(after);
        printf(",%d,%d,%d", has_delay, has_grace, pause);
        print_state();
        /* Only a variable is printed by its name. */
        name = event;
        printf(" "); printm(name);
        name = how;
        printf(",%d,", signal); printm(name);
        name = 0;
        printf(",%d", lateness);
        due = lateness > 0;
        late = lateness > 1;
        decide(event, signal, how);
        due = false;
        late = false;
        print_state();
        printf(" %d", begun || again);
        print_action(0);
        print_action(1);
        print_action(2);
        print_action(3);
        printf("\n");
        no_answer()
    }
}

active proctype Anything() {
    byte lateness;
    if
    :: after = EXIT
    :: after = GROUP
    :: after = TERMINATE
    :: after = WAIT
    fi;
    if
    :: has_delay = true
    :: has_delay = false
    fi;
    if
    :: has_grace = true
    :: has_grace = false
    fi;
    if
    :: pause = true
    :: pause = false
    fi;
    start_supervisor();
    do
    :: atomic {
        if
        :: lateness = 0
        :: period != NEVER -> lateness = 1
        :: period != NEVER -> lateness = 2
        fi;
        if
        :: step(SIGNAL, INT, UNKNOWN, lateness)
        :: step(SIGNAL, USR1, UNKNOWN, lateness)
        :: step(SIGNAL, TERM, UNKNOWN, lateness)
        :: step(SIGNAL, CHLD, UNKNOWN, lateness)
        :: step(SIGNAL, CONT, UNKNOWN, lateness)
        :: step(TICK, 0, UNKNOWN, lateness)
        :: step(STOPPED, 0, UNKNOWN, lateness)
        :: step(CONTINUED, 0, UNKNOWN, lateness)
        :: step(ENDED, 0, SEVEN, lateness)
        :: step(ENDED, 0, KILLED, lateness)
        :: step(NO_CHILDREN, 0, UNKNOWN, lateness)
        :: step(HELPLESS, 0, UNKNOWN, lateness)
        fi;
        lateness = 0
    }
    od
}
