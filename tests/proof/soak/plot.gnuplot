# Draws soak.csv as four panels over the time. The script run sets input and output.
set terminal svg size 900,720 font "sans,12" background "white"
set output output
set datafile separator ","
set key noenhanced left top horizontal
set multiplot layout 4,1 title "rini as PID 1 of a gunicorn container: a soak"
set xtics format ""
set lmargin 9
set yrange [0:*]
set grid ytics lc rgb "#dddddd"
plot input using ($1/60):2 skip 1 with lines lw 2 lc rgb "#c44e1c" title "rini: resident, KiB", \
     input using ($1/60):3 skip 1 with lines lw 2 lc rgb "#60809a" title "private and dirty, KiB"
set yrange [0:10]
plot input using ($1/60):4 skip 1 with lines lw 2 lc rgb "#c44e1c" title "rini: descriptors"
set yrange [0:10]
plot input using ($1/60):6 skip 1 with impulses lc rgb "#60809a" title "zombies at the moment of a sample", \
     input using ($1/60):7 skip 1 with lines lw 2 lc rgb "#c44e1c" title "there a second later"
set yrange [0:*]
set xtics format "%g"
set xlabel "minutes"
plot input using ($1/60):5 skip 1 with lines lc rgb "#60809a" title "processes in the container"
unset multiplot
