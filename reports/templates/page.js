(function(){
"use strict";
// A reading line over each film: the time under the pointer.
document.querySelectorAll("figure.film").forEach(function(fig){
  var svg=fig.querySelector("svg"),a=+fig.dataset.from,b=+fig.dataset.to;
  if(!svg||!(b>a))return;
  var ns="http://www.w3.org/2000/svg",g=document.createElementNS(ns,"g"),l=document.createElementNS(ns,"path"),t=document.createElementNS(ns,"text");
  l.setAttribute("class","zero");t.setAttribute("class","txb");g.appendChild(l);g.appendChild(t);g.style.pointerEvents="none";g.style.display="none";svg.appendChild(g);
  var x0=+fig.dataset.left,x1=+fig.dataset.right,h=svg.viewBox.baseVal.height;
  svg.addEventListener("pointermove",function(e){
    var r=svg.getBoundingClientRect(),x=(e.clientX-r.left)*svg.viewBox.baseVal.width/r.width;
    if(x<x0||x>x1){g.style.display="none";return}
    var s=a+(b-a)*(x-x0)/(x1-x0);
    g.style.display="";l.setAttribute("d","M"+x.toFixed(1)+" 14V"+(h-6));
    t.textContent=s.toFixed(3)+" s";t.setAttribute("y",h-30);
    var left=x>x1-80;t.setAttribute("x",x+(left?-5:5));t.setAttribute("text-anchor",left?"end":"start");
  });
  svg.addEventListener("pointerleave",function(){g.style.display="none"});
});
// A link to something inside a closed drill opens it.
function show(){
  var id=decodeURIComponent(location.hash.slice(1)),el=id&&document.getElementById(id);
  if(!el)return;
  for(var d=el;d;d=d.parentElement)if(d.tagName==="DETAILS")d.open=true;
  el.scrollIntoView();
}
addEventListener("hashchange",show);show();
var closed=[];
addEventListener("beforeprint",function(){closed=[].slice.call(document.querySelectorAll("details:not([open])"));closed.forEach(function(d){d.open=true})});
addEventListener("afterprint",function(){closed.forEach(function(d){d.open=false})});
})();
